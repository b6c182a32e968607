<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>
<qgis simplifyDrawingTol="1" labelsEnabled="0" simplifyLocal="1" simplifyDrawingHints="1" simplifyAlgorithm="0" simplifyMaxScale="1" symbologyReferenceScale="-1" minScale="100000000" version="3.22.16-Białowieża" styleCategories="AllStyleCategories" hasScaleBasedVisibilityFlag="0" maxScale="0" readOnly="0">
  <flags>
    <Identifiable>1</Identifiable>
    <Removable>1</Removable>
    <Searchable>1</Searchable>
    <Private>0</Private>
  </flags>
  <temporal limitMode="0" startField="" durationField="" enabled="0" endExpression="" startExpression="" durationUnit="min" fixedDuration="0" accumulate="0" mode="0" endField="">
    <fixedRange>
      <start></start>
      <end></end>
    </fixedRange>
  </temporal>
  <renderer-v2 type="graduatedSymbol" referencescale="-1" enableorderby="0" attr="&quot;PGA-0.1&quot;" graduatedMethod="GraduatedColor" forceraster="0" symbollevels="0">
    <ranges>
      <range lower="0.000000000000000" symbol="0" upper="0.050000000000000" render="true" label="&lt; 0.05 g"/>
      <range lower="0.050000000000000" symbol="1" upper="0.100000000000000" render="true" label="0.05 – 0.10 g"/>
      <range lower="0.100000000000000" symbol="2" upper="0.343059957027435" render="true" label="> 0.10 g"/>
    </ranges>
    <symbols>
      <symbol type="marker" force_rhr="0" clip_to_extent="1" alpha="1" name="0">
        <data_defined_properties>
          <Option type="Map">
            <Option type="QString" name="name" value=""/>
            <Option name="properties"/>
            <Option type="QString" name="type" value="collection"/>
          </Option>
        </data_defined_properties>
        <layer class="SimpleMarker" enabled="1" locked="0" pass="0">
          <Option type="Map">
            <Option type="QString" name="angle" value="0"/>
            <Option type="QString" name="cap_style" value="square"/>
            <Option type="QString" name="color" value="247,251,255,255"/>
            <Option type="QString" name="horizontal_anchor_point" value="1"/>
            <Option type="QString" name="joinstyle" value="bevel"/>
            <Option type="QString" name="name" value="circle"/>
            <Option type="QString" name="offset" value="0,0"/>
            <Option type="QString" name="offset_map_unit_scale" value="3x:0,0,0,0,0,0"/>
            <Option type="QString" name="offset_unit" value="MM"/>
            <Option type="QString" name="outline_color" value="35,35,35,255"/>
            <Option type="QString" name="outline_style" value="no"/>
            <Option type="QString" name="outline_width" value="0"/>
            <Option type="QString" name="outline_width_map_unit_scale" value="3x:0,0,0,0,0,0"/>
            <Option type="QString" name="outline_width_unit" value="MM"/>
            <Option type="QString" name="scale_method" value="diameter"/>
            <Option type="QString" name="size" value="2.2"/>
            <Option type="QString" name="size_map_unit_scale" value="3x:0,0,0,0,0,0"/>
            <Option type="QString" name="size_unit" value="MM"/>
            <Option type="QString" name="vertical_anchor_point" value="1"/>
          </Option>
          <prop k="angle" v="0"/>
          <prop k="cap_style" v="square"/>
          <prop k="color" v="247,251,255,255"/>
          <prop k="horizontal_anchor_point" v="1"/>
          <prop k="joinstyle" v="bevel"/>
          <prop k="name" v="circle"/>
          <prop k="offset" v="0,0"/>
          <prop k="offset_map_unit_scale" v="3x:0,0,0,0,0,0"/>
          <prop k="offset_unit" v="MM"/>
          <prop k="outline_color" v="35,35,35,255"/>
          <prop k="outline_style" v="no"/>
          <prop k="outline_width" v="0"/>
          <prop k="outline_width_map_unit_scale" v="3x:0,0,0,0,0,0"/>
          <prop k="outline_width_unit" v="MM"/>
          <prop k="scale_method" v="diameter"/>
          <prop k="size" v="2.2"/>
          <prop k="size_map_unit_scale" v="3x:0,0,0,0,0,0"/>
          <prop k="size_unit" v="MM"/>
          <prop k="vertical_anchor_point" v="1"/>
          <data_defined_properties>
            <Option type="Map">
              <Option type="QString" name="name" value=""/>
              <Option name="properties"/>
              <Option type="QString" name="type" value="collection"/>
            </Option>
          </data_defined_properties>
        </layer>
      </symbol>
      <symbol type="marker" force_rhr="0" clip_to_extent="1" alpha="1" name="1">
        <data_defined_properties>
          <Option type="Map">
            <Option type="QString" name="name" value=""/>
            <Option name="properties"/>
            <Option type="QString" name="type" value="collection"/>
          </Option>
        </data_defined_properties>
        <layer class="SimpleMarker" enabled="1" locked="0" pass="0">
          <Option type="Map">
            <Option type="QString" name="angle" value="0"/>
            <Option type="QString" name="cap_style" value="square"/>
            <Option type="QString" name="color" value="115,178,216,255"/>
            <Option type="QString" name="horizontal_anchor_point" value="1"/>
            <Option type="QString" name="joinstyle" value="bevel"/>
            <Option type="QString" name="name" value="circle"/>
            <Option type="QString" name="offset" value="0,0"/>
            <Option type="QString" name="offset_map_unit_scale" value="3x:0,0,0,0,0,0"/>
            <Option type="QString" name="offset_unit" value="MM"/>
            <Option type="QString" name="outline_color" value="35,35,35,255"/>
            <Option type="QString" name="outline_style" value="no"/>
            <Option type="QString" name="outline_width" value="0"/>
            <Option type="QString" name="outline_width_map_unit_scale" value="3x:0,0,0,0,0,0"/>
            <Option type="QString" name="outline_width_unit" value="MM"/>
            <Option type="QString" name="scale_method" value="diameter"/>
            <Option type="QString" name="size" value="2.2"/>
            <Option type="QString" name="size_map_unit_scale" value="3x:0,0,0,0,0,0"/>
            <Option type="QString" name="size_unit" value="MM"/>
            <Option type="QString" name="vertical_anchor_point" value="1"/>
          </Option>
          <prop k="angle" v="0"/>
          <prop k="cap_style" v="square"/>
          <prop k="color" v="115,178,216,255"/>
          <prop k="horizontal_anchor_point" v="1"/>
          <prop k="joinstyle" v="bevel"/>
          <prop k="name" v="circle"/>
          <prop k="offset" v="0,0"/>
          <prop k="offset_map_unit_scale" v="3x:0,0,0,0,0,0"/>
          <prop k="offset_unit" v="MM"/>
          <prop k="outline_color" v="35,35,35,255"/>
          <prop k="outline_style" v="no"/>
          <prop k="outline_width" v="0"/>
          <prop k="outline_width_map_unit_scale" v="3x:0,0,0,0,0,0"/>
          <prop k="outline_width_unit" v="MM"/>
          <prop k="scale_method" v="diameter"/>
          <prop k="size" v="2.2"/>
          <prop k="size_map_unit_scale" v="3x:0,0,0,0,0,0"/>
          <prop k="size_unit" v="MM"/>
          <prop k="vertical_anchor_point" v="1"/>
          <data_defined_properties>
            <Option type="Map">
              <Option type="QString" name="name" value=""/>
              <Option name="properties"/>
              <Option type="QString" name="type" value="collection"/>
            </Option>
          </data_defined_properties>
        </layer>
      </symbol>
      <symbol type="marker" force_rhr="0" clip_to_extent="1" alpha="1" name="2">
        <data_defined_properties>
          <Option type="Map">
            <Option type="QString" name="name" value=""/>
            <Option name="properties"/>
            <Option type="QString" name="type" value="collection"/>
          </Option>
        </data_defined_properties>
        <layer class="SimpleMarker" enabled="1" locked="0" pass="0">
          <Option type="Map">
            <Option type="QString" name="angle" value="0"/>
            <Option type="QString" name="cap_style" value="square"/>
            <Option type="QString" name="color" value="8,48,107,255"/>
            <Option type="QString" name="horizontal_anchor_point" value="1"/>
            <Option type="QString" name="joinstyle" value="bevel"/>
            <Option type="QString" name="name" value="circle"/>
            <Option type="QString" name="offset" value="0,0"/>
            <Option type="QString" name="offset_map_unit_scale" value="3x:0,0,0,0,0,0"/>
            <Option type="QString" name="offset_unit" value="MM"/>
            <Option type="QString" name="outline_color" value="35,35,35,255"/>
            <Option type="QString" name="outline_style" value="no"/>
            <Option type="QString" name="outline_width" value="0"/>
            <Option type="QString" name="outline_width_map_unit_scale" value="3x:0,0,0,0,0,0"/>
            <Option type="QString" name="outline_width_unit" value="MM"/>
            <Option type="QString" name="scale_method" value="diameter"/>
            <Option type="QString" name="size" value="2.2"/>
            <Option type="QString" name="size_map_unit_scale" value="3x:0,0,0,0,0,0"/>
            <Option type="QString" name="size_unit" value="MM"/>
            <Option type="QString" name="vertical_anchor_point" value="1"/>
          </Option>
          <prop k="angle" v="0"/>
          <prop k="cap_style" v="square"/>
          <prop k="color" v="8,48,107,255"/>
          <prop k="horizontal_anchor_point" v="1"/>
          <prop k="joinstyle" v="bevel"/>
          <prop k="name" v="circle"/>
          <prop k="offset" v="0,0"/>
          <prop k="offset_map_unit_scale" v="3x:0,0,0,0,0,0"/>
          <prop k="offset_unit" v="MM"/>
          <prop k="outline_color" v="35,35,35,255"/>
          <prop k="outline_style" v="no"/>
          <prop k="outline_width" v="0"/>
          <prop k="outline_width_map_unit_scale" v="3x:0,0,0,0,0,0"/>
          <prop k="outline_width_unit" v="MM"/>
          <prop k="scale_method" v="diameter"/>
          <prop k="size" v="2.2"/>
          <prop k="size_map_unit_scale" v="3x:0,0,0,0,0,0"/>
          <prop k="size_unit" v="MM"/>
          <prop k="vertical_anchor_point" v="1"/>
          <data_defined_properties>
            <Option type="Map">
              <Option type="QString" name="name" value=""/>
              <Option name="properties"/>
              <Option type="QString" name="type" value="collection"/>
            </Option>
          </data_defined_properties>
        </layer>
      </symbol>
    </symbols>
    <colorramp type="gradient" name="[source]">
      <Option type="Map">
        <Option type="QString" name="color1" value="247,251,255,255"/>
        <Option type="QString" name="color2" value="8,48,107,255"/>
        <Option type="QString" name="discrete" value="0"/>
        <Option type="QString" name="rampType" value="gradient"/>
        <Option type="QString" name="stops" value="0.13;222,235,247,255:0.26;198,219,239,255:0.39;158,202,225,255:0.52;107,174,214,255:0.65;66,146,198,255:0.78;33,113,181,255:0.9;8,81,156,255"/>
      </Option>
      <prop k="color1" v="247,251,255,255"/>
      <prop k="color2" v="8,48,107,255"/>
      <prop k="discrete" v="0"/>
      <prop k="rampType" v="gradient"/>
      <prop k="stops" v="0.13;222,235,247,255:0.26;198,219,239,255:0.39;158,202,225,255:0.52;107,174,214,255:0.65;66,146,198,255:0.78;33,113,181,255:0.9;8,81,156,255"/>
    </colorramp>
    <classificationMethod id="Custom">
      <symmetricMode symmetrypoint="0" astride="0" enabled="0"/>
      <labelFormat labelprecision="4" trimtrailingzeroes="1" format="%1 - %2"/>
      <parameters>
        <Option/>
      </parameters>
      <extraInformation/>
    </classificationMethod>
    <rotation/>
    <sizescale/>
  </renderer-v2>
  <customproperties>
    <Option type="Map">
      <Option type="QString" name="openquake/about" value="{&#xa; &quot;provenance&quot;: {&#xa;  &quot;server&quot;: &quot;http://127.0.0.1:8800&quot;,&#xa;  &quot;calculation_id&quot;: 1,&#xa;  &quot;description&quot;: &quot;Classical PSHA Area Source demo for Null Island&quot;,&#xa;  &quot;calculation_mode&quot;: &quot;classical&quot;,&#xa;  &quot;output_type&quot;: &quot;hmaps&quot;,&#xa;  &quot;output_name&quot;: &quot;Hazard Maps&quot;,&#xa;  &quot;choices&quot;: {},&#xa;  &quot;investigation_time&quot;: 50.0,&#xa;  &quot;engine_version&quot;: &quot;3.26.2&quot;,&#xa;  &quot;checksum&quot;: 503545851,&#xa;  &quot;calculation_sites&quot;: 30&#xa; },&#xa; &quot;columns&quot;: [&#xa;  {&#xa;   &quot;name&quot;: &quot;site_id&quot;,&#xa;   &quot;type&quot;: &quot;integer&quot;,&#xa;   &quot;additive&quot;: false,&#xa;   &quot;label&quot;: &quot;Site&quot;&#xa;  },&#xa;  {&#xa;   &quot;name&quot;: &quot;lon&quot;,&#xa;   &quot;type&quot;: &quot;real&quot;,&#xa;   &quot;additive&quot;: false,&#xa;   &quot;label&quot;: &quot;Longitude&quot;,&#xa;   &quot;unit&quot;: &quot;°&quot;&#xa;  },&#xa;  {&#xa;   &quot;name&quot;: &quot;lat&quot;,&#xa;   &quot;type&quot;: &quot;real&quot;,&#xa;   &quot;additive&quot;: false,&#xa;   &quot;label&quot;: &quot;Latitude&quot;,&#xa;   &quot;unit&quot;: &quot;°&quot;&#xa;  },&#xa;  {&#xa;   &quot;name&quot;: &quot;PGA-0.1&quot;,&#xa;   &quot;type&quot;: &quot;real&quot;,&#xa;   &quot;additive&quot;: false,&#xa;   &quot;label&quot;: &quot;Mean PGA, 10% in 50 years&quot;,&#xa;   &quot;unit&quot;: &quot;g&quot;,&#xa;   &quot;quantity&quot;: &quot;hazard map&quot;,&#xa;   &quot;kind&quot;: &quot;mean&quot;,&#xa;   &quot;imt&quot;: &quot;PGA&quot;,&#xa;   &quot;poe&quot;: 0.1&#xa;  },&#xa;  {&#xa;   &quot;name&quot;: &quot;PGA-0.02&quot;,&#xa;   &quot;type&quot;: &quot;real&quot;,&#xa;   &quot;additive&quot;: false,&#xa;   &quot;label&quot;: &quot;Mean PGA, 2% in 50 years&quot;,&#xa;   &quot;unit&quot;: &quot;g&quot;,&#xa;   &quot;quantity&quot;: &quot;hazard map&quot;,&#xa;   &quot;kind&quot;: &quot;mean&quot;,&#xa;   &quot;imt&quot;: &quot;PGA&quot;,&#xa;   &quot;poe&quot;: 0.02&#xa;  },&#xa;  {&#xa;   &quot;name&quot;: &quot;SA(0.2)-0.1&quot;,&#xa;   &quot;type&quot;: &quot;real&quot;,&#xa;   &quot;additive&quot;: false,&#xa;   &quot;label&quot;: &quot;Mean SA(0.2), 10% in 50 years&quot;,&#xa;   &quot;unit&quot;: &quot;g&quot;,&#xa;   &quot;quantity&quot;: &quot;hazard map&quot;,&#xa;   &quot;kind&quot;: &quot;mean&quot;,&#xa;   &quot;imt&quot;: &quot;SA(0.2)&quot;,&#xa;   &quot;poe&quot;: 0.1&#xa;  },&#xa;  {&#xa;   &quot;name&quot;: &quot;SA(0.2)-0.02&quot;,&#xa;   &quot;type&quot;: &quot;real&quot;,&#xa;   &quot;additive&quot;: false,&#xa;   &quot;label&quot;: &quot;Mean SA(0.2), 2% in 50 years&quot;,&#xa;   &quot;unit&quot;: &quot;g&quot;,&#xa;   &quot;quantity&quot;: &quot;hazard map&quot;,&#xa;   &quot;kind&quot;: &quot;mean&quot;,&#xa;   &quot;imt&quot;: &quot;SA(0.2)&quot;,&#xa;   &quot;poe&quot;: 0.02&#xa;  }&#xa; ]&#xa;}"/>
    </Option>
  </customproperties>
  <blendMode>0</blendMode>
  <featureBlendMode>0</featureBlendMode>
  <layerOpacity>1</layerOpacity>
  <geometryOptions geometryPrecision="0" removeDuplicateNodes="0">
    <activeChecks type="StringList">
      <Option type="QString" value=""/>
    </activeChecks>
    <checkConfiguration/>
  </geometryOptions>
  <legend type="default-vector" showLabelLegend="0"/>
  <referencedLayers/>
  <fieldConfiguration>
    <field name="site_id" configurationFlags="None">
      <editWidget type="">
        <config>
          <Option/>
        </config>
      </editWidget>
    </field>
    <field name="lon" configurationFlags="None">
      <editWidget type="">
        <config>
          <Option/>
        </config>
      </editWidget>
    </field>
    <field name="lat" configurationFlags="None">
      <editWidget type="">
        <config>
          <Option/>
        </config>
      </editWidget>
    </field>
    <field name="PGA-0.1" configurationFlags="None">
      <editWidget type="">
        <config>
          <Option/>
        </config>
      </editWidget>
    </field>
    <field name="PGA-0.02" configurationFlags="None">
      <editWidget type="">
        <config>
          <Option/>
        </config>
      </editWidget>
    </field>
    <field name="SA(0.2)-0.1" configurationFlags="None">
      <editWidget type="">
        <config>
          <Option/>
        </config>
      </editWidget>
    </field>
    <field name="SA(0.2)-0.02" configurationFlags="None">
      <editWidget type="">
        <config>
          <Option/>
        </config>
      </editWidget>
    </field>
  </fieldConfiguration>
  <aliases>
    <alias name="Site" field="site_id" index="0"/>
    <alias name="Longitude [°]" field="lon" index="1"/>
    <alias name="Latitude [°]" field="lat" index="2"/>
    <alias name="Mean PGA, 10% in 50 years [g]" field="PGA-0.1" index="3"/>
    <alias name="Mean PGA, 2% in 50 years [g]" field="PGA-0.02" index="4"/>
    <alias name="Mean SA(0.2), 10% in 50 years [g]" field="SA(0.2)-0.1" index="5"/>
    <alias name="Mean SA(0.2), 2% in 50 years [g]" field="SA(0.2)-0.02" index="6"/>
  </aliases>
  <defaults>
    <default expression="" field="site_id" applyOnUpdate="0"/>
    <default expression="" field="lon" applyOnUpdate="0"/>
    <default expression="" field="lat" applyOnUpdate="0"/>
    <default expression="" field="PGA-0.1" applyOnUpdate="0"/>
    <default expression="" field="PGA-0.02" applyOnUpdate="0"/>
    <default expression="" field="SA(0.2)-0.1" applyOnUpdate="0"/>
    <default expression="" field="SA(0.2)-0.02" applyOnUpdate="0"/>
  </defaults>
  <constraints>
    <constraint unique_strength="0" exp_strength="0" field="site_id" notnull_strength="0" constraints="0"/>
    <constraint unique_strength="0" exp_strength="0" field="lon" notnull_strength="0" constraints="0"/>
    <constraint unique_strength="0" exp_strength="0" field="lat" notnull_strength="0" constraints="0"/>
    <constraint unique_strength="0" exp_strength="0" field="PGA-0.1" notnull_strength="0" constraints="0"/>
    <constraint unique_strength="0" exp_strength="0" field="PGA-0.02" notnull_strength="0" constraints="0"/>
    <constraint unique_strength="0" exp_strength="0" field="SA(0.2)-0.1" notnull_strength="0" constraints="0"/>
    <constraint unique_strength="0" exp_strength="0" field="SA(0.2)-0.02" notnull_strength="0" constraints="0"/>
  </constraints>
  <constraintExpressions>
    <constraint desc="" field="site_id" exp=""/>
    <constraint desc="" field="lon" exp=""/>
    <constraint desc="" field="lat" exp=""/>
    <constraint desc="" field="PGA-0.1" exp=""/>
    <constraint desc="" field="PGA-0.02" exp=""/>
    <constraint desc="" field="SA(0.2)-0.1" exp=""/>
    <constraint desc="" field="SA(0.2)-0.02" exp=""/>
  </constraintExpressions>
  <expressionfields/>
  <attributeactions/>
  <attributetableconfig sortOrder="0" sortExpression="" actionWidgetStyle="dropDown">
    <columns/>
  </attributetableconfig>
  <conditionalstyles>
    <rowstyles/>
    <fieldstyles/>
  </conditionalstyles>
  <storedexpressions/>
  <editform tolerant="1"></editform>
  <editforminit/>
  <editforminitcodesource>0</editforminitcodesource>
  <editforminitfilepath></editforminitfilepath>
  <editforminitcode><![CDATA[]]></editforminitcode>
  <featformsuppress>0</featformsuppress>
  <editorlayout>generatedlayout</editorlayout>
  <editable/>
  <labelOnTop/>
  <reuseLastValue/>
  <dataDefinedFieldProperties/>
  <widgets/>
  <previewExpression></previewExpression>
  <mapTip></mapTip>
  <layerGeometryType>0</layerGeometryType>
</qgis>
